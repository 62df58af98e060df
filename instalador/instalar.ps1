# Instala o actualiza sdcolab en Windows 10 y 11. Solo busca uv, que trae su propio Python; lo demas lo decide instalador.py.
#   .\instalar.ps1 [-Carpeta C:\sdcolab] [-Volver]
param([string]$Carpeta = "$env:SystemDrive\sdcolab", [switch]$Volver)
$ErrorActionPreference = "Stop"
[Console]::OutputEncoding = [System.Text.Encoding]::UTF8
[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12

$uvVersion = "0.13.9"
$herramientas = Join-Path $Carpeta "herramientas"
$uv = Join-Path $herramientas "uv.exe"
New-Item -ItemType Directory -Force -Path $herramientas | Out-Null
if (-not (Test-Path $uv)) {
    $conocido = Get-Command uv -ErrorAction SilentlyContinue
    if ($conocido) {
        Copy-Item $conocido.Source $uv
    } else {
        Write-Host "Descargando uv, que trae Python..."
        $zip = Join-Path $env:TEMP "uv-sdcolab.zip"
        $sitio = "https://github.com/astral-sh/uv/releases/download/$uvVersion/uv-x86_64-pc-windows-msvc.zip"
        try {
            Invoke-WebRequest -UseBasicParsing -Uri $sitio -OutFile $zip
            $esperada = (Invoke-WebRequest -UseBasicParsing -Uri "$sitio.sha256").Content
        } catch {
            throw "No se pudo descargar uv de github.com. Comprueba tu conexi$([char]0xF3)n a internet y vuelve a intentarlo."
        }
        if ($esperada -is [byte[]]) { $esperada = [System.Text.Encoding]::ASCII.GetString($esperada) }
        if ((Get-FileHash $zip -Algorithm SHA256).Hash -ne $esperada.Trim().Split(" ")[0]) {
            throw "La descarga de uv no es la que debe: borra $zip y vuelve a intentarlo."
        }
        Expand-Archive -Force -Path $zip -DestinationPath $herramientas
        Remove-Item $zip
    }
}
$env:UV_PYTHON_INSTALL_DIR = Join-Path $Carpeta "python"
$env:UV_CACHE_DIR = Join-Path $Carpeta "cache"
$opciones = @("run", "--no-project", "--python", "3.12", (Join-Path $PSScriptRoot "instalador.py"), "--carpeta", $Carpeta)
if ($Volver) { $opciones += "--volver" }
& $uv @opciones
exit $LASTEXITCODE
