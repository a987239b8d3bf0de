"""What runs in a converter's child process; each module has `main(spec) -> result`, plain JSON."""
