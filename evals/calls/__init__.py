"""How questions are put to models: in which order, how many at once, at what price.

What has to be asked is the survey's; what an answer means is the judges'.
"""
