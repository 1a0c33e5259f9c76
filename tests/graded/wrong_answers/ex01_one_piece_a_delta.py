"""Rejected by test_however_a_text_arrives_its_sentences_come_out_whole: a delta gives one piece.

Where a delta completes several pieces, all but the first come late.
"""


class Chunker:
    def feed(self, delta):
        # BEGIN SOLUTION ex01.2: look for one end in what is kept
        self.text += delta
        for at in range(1, len(self.text)):
            if self.is_end(self.text[:at], self.text[at]):
                piece, self.text = self.text[:at].strip(), self.text[at:]
                self.pieces += 1
                return [piece]
        return []
        # END SOLUTION ex01.2
