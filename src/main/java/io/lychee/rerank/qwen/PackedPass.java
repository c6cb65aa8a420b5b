package io.lychee.rerank.qwen;

import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PromptPart;
import java.util.ArrayList;
import java.util.List;

/**
 * A pass as the network takes it: the tokens of all segments one behind the other, the prefixes of all lists and then
 * the candidates of all lists. Made on the CPU, knows no tensors.
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
    private final List<Integer> owners = new ArrayList<>(); // the list of each image
    private int rows;
    private int cells;

    private PackedPass(Pass pass, int cell) {
        for (int g = 0; g < pass.groups().size(); g++) {
            add(g, pass.groups().get(g).prefix());
        }
        for (int g = 0; g < pass.groups().size(); g++) {
            for (PromptPart candidate : pass.groups().get(g).candidates()) {
                add(g, candidate);
            }
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

    private void add(int list, PromptPart segment) {
        for (EncodedImage image : segment.images()) {
            images.add(image);
            owners.add(list);
        }
    }

    /** @throws IllegalArgumentException when a token is outside the vocabulary or images don't match their tokens */
    static PackedPass of(Pass pass, QwenConfig config) {
        MropePositions mrope =
                new MropePositions(config.imageToken(), config.vision().cell());
        PackedPass packed = new PackedPass(pass, config.vision().cell());
        int[] next = new int[packed.prefixes.length]; // position behind each prefix
        for (int g = 0; g < next.length; g++) {
            Pass.Group group = pass.groups().get(g);
            packed.prefixes[g] = group.prefix().tokens().length;
            packed.counts[g] = group.candidates().size();
            next[g] = mrope.write(group.prefix(), 0, packed.positions, packed.rows);
            packed.append(group.prefix(), config);
        }
        int candidate = 0;
        for (int g = 0; g < next.length; g++) {
            for (PromptPart segment : pass.groups().get(g).candidates()) {
                mrope.write(segment, next[g], packed.positions, packed.rows);
                packed.append(segment, config);
                packed.candidates[candidate] = segment.tokens().length;
                packed.last[candidate++] = packed.rows - 1L;
            }
        }
        return packed;
    }

    private void append(PromptPart segment, QwenConfig config) {
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

    /** For each list how many of its images these say yes to. */
    int[] hits(boolean[] ofImages) {
        int[] hits = new int[prefixes.length];
        for (int i = 0; i < ofImages.length; i++) {
            hits[owners.get(i)] += ofImages[i] ? 1 : 0;
        }
        return hits;
    }

    List<EncodedImage> images() {
        return images;
    }
}
