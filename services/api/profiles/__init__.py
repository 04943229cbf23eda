"""Kinds of devices: everybody reads them, administrators write them."""
