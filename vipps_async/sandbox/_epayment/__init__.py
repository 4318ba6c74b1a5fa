"""The API by operations: what each call does and how its answer looks, in both dialects."""
