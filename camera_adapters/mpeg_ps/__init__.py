"""MPEG program streams (ISO/IEC 13818-1 §2.5), as GB/T 28181-2016 Annex C uses them: taken apart to
pictures and sound without decoding, and made from them.
"""
