"""Rejected by test_however_a_text_arrives_its_sentences_come_out_whole: it is said twice.

What was said stays in the buffer, as printed in 39.1.4, and is said again.
"""


class Chunker:
    def feed(self, delta):
        # BEGIN SOLUTION ex01.2: as printed, only the first piece leaves the buffer
        self.text += delta
        pieces = []
        for at in range(1, len(self.text)):
            if self.is_end(self.text[:at], self.text[at]):
                pieces.append(self.text[:at].strip())
        if pieces and self.pieces == 0:
            self.text = ""
        self.pieces += len(pieces)
        return pieces
        # END SOLUTION ex01.2
