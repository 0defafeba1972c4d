"""``python -m cyconv``: version, instruction set, algorithms, threads and OpenMP runtime in use."""

from ._config import show_config

if __name__ == "__main__":
    show_config()
