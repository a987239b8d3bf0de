"""Whether a session's figures are what they seem: rules over what the agent told.

A *note* says what the figures mean, a *caution* that they may be off, *invalid* that the regime was
broken or the evidence contradicts itself: such a session is kept and shown with its reason, and
gets no verdict. Nothing is left out silently: a process that breaks a rule marks its session.

Adding a rule is adding a function from `Evidence` to cautions to one of the modules and to
`judge.RULES`; every threshold stands in `limits`, with its reason.
"""
