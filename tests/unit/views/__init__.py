"""What traces look like: golden files, promises of the page, geometry, and the JSON form."""
