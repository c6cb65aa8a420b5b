package io.lychee.rerank.qwen;

import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.PromptPart;

/**
 * Computes positions in time, height and width for multimodal rotary embedding. Text advances all three by one; an
 * image keeps its time and spreads over height and width; the next token continues after the largest of them.
 */
final class MropePositions {

    private final int imageToken;
    private final int cell;

    /** @param cell side of an image token in pixels */
    MropePositions(int imageToken, int cell) {
        this.imageToken = imageToken;
        this.cell = cell;
    }

    /**
     * Writes the positions of a part's tokens.
     *
     * @param positions (3, rows): time, height and width; written from row {@code offset} on
     * @param first position of the part's first token: 0 for a prefix; for its candidates, the prefix's return value
     * @return the position of the next token
     * @throws IllegalArgumentException when the image tokens don't match the images
     */
    int write(PromptPart part, int first, long[][] positions, int offset) {
        int[] tokens = part.tokens();
        int next = first;
        int i = 0;
        for (EncodedImage image : part.images()) {
            for (; i < tokens.length && tokens[i] != imageToken; i++) {
                fill(positions, offset + i, next, next, next);
                next++;
            }
            int rows = image.height() / cell;
            int columns = image.width() / cell;
            int start = i;
            for (; i < start + rows * columns; i++) {
                if (i >= tokens.length || tokens[i] != imageToken) {
                    throw new IllegalArgumentException("expected %d × %d image tokens from token %d on, of %d tokens"
                            .formatted(rows, columns, start, tokens.length));
                }
                int at = i - start;
                fill(positions, offset + i, next, next + at / columns, next + at % columns);
            }
            next += Math.max(rows, columns);
        }
        for (; i < tokens.length; i++) {
            if (tokens[i] == imageToken) {
                throw new IllegalArgumentException("image token at %d, behind the last of %d images"
                        .formatted(i, part.images().size()));
            }
            fill(positions, offset + i, next, next, next);
            next++;
        }
        return next;
    }

    private static void fill(long[][] positions, int row, int time, int height, int width) {
        positions[0][row] = time;
        positions[1][row] = height;
        positions[2][row] = width;
    }
}
