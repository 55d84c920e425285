"""
The same digits second by second: what a monitor beside a bed would compute.

`waveform` turns samples into settled beats, `rows` beats into the features
of one hop, `alarms` probabilities into alarms, `stream` joins them. Each
calls what the batch calls, over no more of the past than can matter.
"""
