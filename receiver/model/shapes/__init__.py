"""What the API asks for and answers, as JSON has it: the service writes these shapes, and its client reads them.

A shape has the names and the units of the contract with whoever asks, and nothing else: no method but a check of its
own members. How a noun gets its shape is known where the answer is written.
"""
