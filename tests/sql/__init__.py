"""The models, by real dbt: literal rows in, hand-checked rows out."""
