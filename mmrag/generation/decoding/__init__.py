"""The decode loop for BLIP-2's language models, OPT and T5. It needs torch and transformers, nothing else.

    cache      keys and values in memory that is allocated once, in 8 bits if asked for
    opt, t5    one step of each language model over that cache, every row at a position of its own
    lookup     drafts copied from what was read and written so far
    graphs     a step as a CUDA graph where there is a GPU
    loop       rows that join, advance together and leave; token for token what greedy search says
    scheduler  a thread that runs the loop for many questions: streams, deadlines, less memory

Only greedy search: the same question gets the same answer.
"""
