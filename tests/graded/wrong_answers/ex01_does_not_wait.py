"""Rejected by test_however_a_text_arrives_its_sentences_come_out_whole: "$4." is said alone.

The end of what has come so far counts as white space.
"""


class Chunker:
    def feed(self, delta):
        # BEGIN SOLUTION ex01.2: judge every place, the last one too
        self.text += delta
        pieces, at = [], 1
        while at <= len(self.text):
            if self.is_end(self.text[:at], (self.text + " ")[at]):
                pieces.append(self.text[:at].strip())
                self.text, at = self.text[at:], 0
                self.pieces += 1
            at += 1
        return pieces
        # END SOLUTION ex01.2
