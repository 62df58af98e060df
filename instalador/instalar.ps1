# Instala o actualiza sdcolab en Windows 10 y 11. Solo busca uv, que trae su propio Python; lo demas lo decide instalador.py.
#   Instalar.bat [-Carpeta D:\sdcolab] [-Volver] [-SinAbrir]
param([string]$Carpeta = "$env:SystemDrive\sdcolab", [switch]$Volver, [switch]$SinAbrir)
$ErrorActionPreference = "Stop"
$ProgressPreference = "SilentlyContinue"  # Windows PowerShell downloads ten times slower while it draws its bar
[Console]::OutputEncoding = [System.Text.Encoding]::UTF8
[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12

function Terminar([string]$motivo) {
    Write-Host $motivo
    exit 1
}

# Una barra al final, como las que se copian del Explorador, se comeria la comilla que la sigue.
$Carpeta = $Carpeta.Trim().TrimEnd([char[]]@('\', '"'))
if ($Carpeta -match '^[A-Za-z]:$') { $Carpeta += "\sdcolab" }
$uvVersion = "0.13.9"
try {
    $Carpeta = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Carpeta)
    $herramientas = Join-Path $Carpeta "herramientas"
    $uv = Join-Path $herramientas "uv.exe"
    New-Item -ItemType Directory -Force -Path $herramientas | Out-Null
} catch {
    Terminar "No se puede escribir en $Carpeta. Elige otra carpeta: Instalar.bat -Carpeta D:\sdcolab"
}

function Responde([string]$programa) {
    try { & $programa --version | Out-Null; return $LASTEXITCODE -eq 0 } catch { return $false }
}

if (-not (Test-Path -LiteralPath $uv)) {
    $conocido = Get-Command uv.exe -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($conocido) {
        Copy-Item -LiteralPath $conocido.Source -Destination $uv
        # Hay programas que dejan en su lugar un atajo, que fuera de su carpeta no sirve.
        if (-not (Responde $uv)) { Remove-Item -LiteralPath $uv }
    }
}
if (-not (Test-Path -LiteralPath $uv)) {
    Write-Host "Descargando uv, que trae Python..."
    $zip = Join-Path $env:TEMP "uv-sdcolab.zip"
    $sitio = "https://github.com/astral-sh/uv/releases/download/$uvVersion/uv-x86_64-pc-windows-msvc.zip"
    try {
        Invoke-WebRequest -UseBasicParsing -Uri $sitio -OutFile $zip
        $esperada = (Invoke-WebRequest -UseBasicParsing -Uri "$sitio.sha256").Content
    } catch {
        Terminar "No se pudo descargar uv de github.com. Comprueba tu conexi$([char]0xF3)n a internet y vuelve a intentarlo."
    }
    if ($esperada -is [byte[]]) { $esperada = [System.Text.Encoding]::ASCII.GetString($esperada) }
    if ((Get-FileHash -LiteralPath $zip -Algorithm SHA256).Hash -ne $esperada.Trim().Split(" ")[0]) {
        Remove-Item -LiteralPath $zip
        Terminar "La descarga de uv no es la que debe. Vuelve a intentarlo."
    }
    Expand-Archive -Force -LiteralPath $zip -DestinationPath $herramientas
    Remove-Item -LiteralPath $zip
    if (-not (Test-Path -LiteralPath $uv)) { Terminar "No se pudo preparar uv. Vuelve a intentarlo." }
}
$env:UV_PYTHON_INSTALL_DIR = Join-Path $Carpeta "python"
$env:UV_CACHE_DIR = Join-Path $Carpeta "cache"
$opciones = @("run", "--no-project", "--python", "3.12", (Join-Path $PSScriptRoot "instalador.py"), "--carpeta", $Carpeta)
if ($Volver) { $opciones += "--volver" }
if ($SinAbrir) { $opciones += "--sin-abrir" }
& $uv @opciones
exit $LASTEXITCODE
