package io.lychee.rerank.qwen;

import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.PromptPart;
import java.util.Arrays;

/**
 * Positions in time, height and width for one segment (multimodal rotary embedding). Text advances all three by one; an
 * image stands still in time and spreads over height and width; what follows it goes on after the largest of them.
 */
final class MropePositions {

    private final int imageToken;
    private final int cell;

    /** @param cell side in pixels of the square that one image token stands for */
    MropePositions(int imageToken, int cell) {
        this.imageToken = imageToken;
        this.cell = cell;
    }

    /**
     * Writes the positions of a segment's tokens.
     *
     * @param positions time, height and width, each as long as the pass; written from {@code offset} on
     * @param first the position of the segment's first token: 0 for a prefix, what this method returned for the prefix
     *     for each of its candidates
     * @return the position of the token that follows
     * @throws IllegalArgumentException when the image tokens don't match the images
     */
    int write(PromptPart segment, int first, long[][] positions, int offset) {
        int[] tokens = segment.tokens();
        int next = first;
        int i = 0;
        for (EncodedImage image : segment.images()) {
            while (i < tokens.length && tokens[i] != imageToken) {
                fill(positions, offset + i++, next, next, next);
                next++;
            }
            int rows = image.height() / cell;
            int columns = image.width() / cell;
            if (i + rows * columns > tokens.length
                    || Arrays.stream(tokens, i, i + rows * columns).anyMatch(token -> token != imageToken)) {
                throw new IllegalArgumentException("expected %d × %d image tokens from token %d on, of %d tokens"
                        .formatted(rows, columns, i, tokens.length));
            }
            for (int row = 0; row < rows; row++) {
                for (int column = 0; column < columns; column++) {
                    fill(positions, offset + i++, next, next + row, next + column);
                }
            }
            next += Math.max(rows, columns);
        }
        for (; i < tokens.length; i++) {
            if (tokens[i] == imageToken) {
                throw new IllegalArgumentException("image token at %d, behind the last of %d images"
                        .formatted(i, segment.images().size()));
            }
            fill(positions, offset + i, next, next, next);
            next++;
        }
        return next;
    }

    private static void fill(long[][] positions, int at, int time, int height, int width) {
        positions[0][at] = time;
        positions[1][at] = height;
        positions[2][at] = width;
    }
}
