"""What a load costs, as whole processes, against others that read the same pages in the same run.

Absolute seconds say as much about the machine as about the code; the ratios carry over.
"""
