"""What is asked: suites, variants, specs. Pure, but for the YAML loader."""
