"""``python -m cyconv``: version, instruction set in use, threads, OpenMP runtime."""

from ._config import show_config

if __name__ == "__main__":
    show_config()
