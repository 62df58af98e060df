@echo off
rem Doble clic para instalar o actualizar sdcolab en Windows. Todo lo que hace esta en instalar.ps1 y en instalador.py.
chcp 65001 >nul
if not exist "%~dp0instalar.ps1" (
  echo Primero descomprime el zip entero, y luego abre Instalar.bat desde la carpeta que sale.
  pause
  exit /b 1
)
powershell -NoProfile -ExecutionPolicy Bypass -File "%~dp0instalar.ps1" %*
if errorlevel 1 pause
