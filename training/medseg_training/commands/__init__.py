"""The commands of `python -m medseg_training`, one module each.

Each has ``add_arguments(parser)`` and ``run(options)``; a module is imported when its
command is asked for. ``run`` raises ValueError where the request is wrong, OSError or RuntimeError
where the job failed.
"""
