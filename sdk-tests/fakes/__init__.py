"""Stand-ins for the providers on the internet.

Each fake speaks one vendor's published wire format, refuses what the vendor refuses, and answers as the marker in the
last user message tells it to (see `replies.py`). Standard library only.
"""
