package io.lychee.rerank.qwen;

import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.Segment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * A pass as the network takes it: the tokens of all segments one behind the other, for each list its prefix and then
 * its candidates. Made on the CPU, knows no tensors.
 */
final class PackedPass {

    private final long[] tokens;
    private final long[][] positions;
    private final long[] last;
    private final long[] prefixes;
    private final long[] counts;
    private final long[] candidates;
    private final long[] imageRows;
    private final List<EncodedImage> images = new ArrayList<>();
    private int rows;
    private int cells;

    private PackedPass(Pass pass, int cell) {
        for (Pass.Group group : pass.groups()) {
            images.addAll(group.prefix().images());
            group.candidates().forEach(candidate -> images.addAll(candidate.images()));
        }
        tokens = new long[pass.tokens()];
        positions = new long[3][tokens.length];
        last = new long[pass.candidates()];
        candidates = new long[last.length];
        prefixes = new long[pass.groups().size()];
        counts = new long[prefixes.length];
        imageRows = new long
                [images.stream()
                        .mapToInt(image -> (image.height() / cell) * (image.width() / cell))
                        .sum()];
    }

    /** @throws IllegalArgumentException when a token is outside the vocabulary or images don't match their tokens */
    static PackedPass of(Pass pass, QwenConfig config) {
        MropePositions mrope =
                new MropePositions(config.imageToken(), config.vision().cell());
        PackedPass packed = new PackedPass(pass, config.vision().cell());
        int candidate = 0;
        for (int g = 0; g < packed.prefixes.length; g++) {
            Pass.Group group = pass.groups().get(g);
            packed.prefixes[g] = group.prefix().tokens().length;
            packed.counts[g] = group.candidates().size();
            int next = mrope.write(group.prefix(), 0, packed.positions, packed.rows);
            packed.append(group.prefix(), config);
            for (Segment segment : group.candidates()) {
                mrope.write(segment, next, packed.positions, packed.rows);
                packed.append(segment, config);
                packed.candidates[candidate] = segment.tokens().length;
                packed.last[candidate++] = packed.rows - 1L;
            }
        }
        return packed;
    }

    private void append(Segment segment, QwenConfig config) {
        for (int token : segment.tokens()) {
            if (token < 0 || token >= config.text().vocabulary()) {
                throw new IllegalArgumentException(
                        "token %d outside the vocabulary of %d; tokenizer.json and config.json"
                                        .formatted(token, config.text().vocabulary())
                                + " (model.checkpoint) don't belong together");
            }
            if (token == config.imageToken()) { // as many as there are cells: the positions were written
                imageRows[cells++] = rows;
            }
            tokens[rows++] = token;
        }
    }

    /** Token ids: (rows). */
    long[] tokens() {
        return tokens;
    }

    /** Positions in time, height and width: (3, rows). */
    long[][] positions() {
        return positions;
    }

    /** The row of each candidate's last token: (candidates). */
    long[] last() {
        return last;
    }

    /** Tokens of each list's prefix: (lists). */
    long[] prefixes() {
        return prefixes;
    }

    /** Candidates of each list: (lists). */
    long[] counts() {
        return counts;
    }

    /** Tokens of each candidate: (candidates). */
    long[] candidates() {
        return candidates;
    }

    /** The rows that stand for images, in the order of the images and their cells: (cells). */
    long[] imageRows() {
        return imageRows;
    }

    List<EncodedImage> images() {
        return images;
    }

    /** The pixels of all images, one image behind the other, in a direct buffer: 8-bit RGB, row by row. */
    static ByteBuffer pixels(List<EncodedImage> images) {
        ByteBuffer pixels = ByteBuffer.allocateDirect(
                Math.toIntExact(images.stream().mapToLong(EncodedImage::bytes).sum()));
        images.forEach(image -> pixels.put(image.rgb()));
        return pixels.flip();
    }
}
