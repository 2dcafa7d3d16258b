"""Ways to a server: each carries encoded messages for ``cloud.candidate`` and knows nothing about their content."""
