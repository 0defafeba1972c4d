"""The suite is a package so that its modules can share an oracle under pytest's importlib mode."""
