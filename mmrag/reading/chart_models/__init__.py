"""Models that read charts: checkpoints of Pix2Struct's kind (DePlot) or with DocTags (Granite-Docling).

    picture --family--> prompt, pixels --batches, generate--> text --linearised | doctags--> ModelTable

They run in the process that reads, not in the contained children, and nothing that they write is believed
here: `reading.combining` holds it against what stands in the picture. They know no page and no engine.
"""
