"""Control models: opening every sort of file, and what each adds to a call of the UNet."""
