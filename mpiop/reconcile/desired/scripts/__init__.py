"""The POSIX sh scripts of the ConfigMap, as constants: the core reads no files."""
