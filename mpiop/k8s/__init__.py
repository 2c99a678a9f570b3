"""The shell: watches, caches, queue, executor. It does, and never decides."""
