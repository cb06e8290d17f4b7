"""The pages under load, measured on a real `up` with rows written by the real services (make bench-web)."""
