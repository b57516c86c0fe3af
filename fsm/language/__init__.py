"""What a spec may say: YAML with places, domains, expressions, rows, the loader that puts them together, and the writer
of the canonical layout."""
