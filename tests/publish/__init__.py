"""What is published: the file and its memory, the page, targets, BI."""
