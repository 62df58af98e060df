"""The program's other processes: the engine's, the public link's, and what starts them again."""
