"""What a night's figures mean: rates beside baselines and labels, verdicts, shifts, resistance.

Pure: the same rows in any order give the same verdicts. How a body shows them is `sections`'.
"""
