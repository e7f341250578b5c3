"""What users ask about: topics of an application's requests, and requests that were not met.

`night_requests` is the step of a night; the others are pure. Rates are dbt's and `reports`'.
"""
