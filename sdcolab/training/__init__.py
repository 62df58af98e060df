"""Training one's own LoRA: pictures and captions in, a file that every Stable Diffusion program reads out.

``buckets``, ``captions``, ``dataset``, ``steps``, ``rates``, ``plan``, ``preview``, ``metadata`` and ``tags`` are pure
and load no torch; ``noise``, ``losses``, ``network``, ``optimisers``, ``caches`` and ``loop`` do the work; ``child``
runs it apart.
"""
