"""What a phone shows when it opens: all devices on one small page."""
