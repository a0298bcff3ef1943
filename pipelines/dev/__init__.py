"""What only maintainers run: measurements and generated documentation."""
