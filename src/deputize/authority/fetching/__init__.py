"""Fetches documents that strangers name: guarded, bounded, remembered (decision 0017)."""

from deputize.authority.fetching.documents import Documents
from deputize.authority.fetching.fetch import Fetcher, FetchFailed, Fetching

__all__ = ["Documents", "FetchFailed", "Fetcher", "Fetching"]
