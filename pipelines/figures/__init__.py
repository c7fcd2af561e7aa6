"""The pictures that commands leave behind."""
