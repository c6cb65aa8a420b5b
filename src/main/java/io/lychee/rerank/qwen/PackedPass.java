package io.lychee.rerank.qwen;

import io.lychee.rerank.checkpoint.NetworkConfig;
import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PromptPart;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Packs a pass for the network, without padding: the prefixes of all lists, then the candidates of all lists. Uses no
 * tensors.
 */
final class PackedPass {

    final long[] tokens; // ids: (rows)
    final long[][] positions; // time, height, width: (3, rows)
    final long[] last; // row of each candidate's last token: (candidates)
    final long[] prefixes; // tokens of each list's prefix: (lists)
    final long[] counts; // candidates of each list: (lists)
    final long[] candidates; // tokens of each candidate: (candidates)
    final long[] imageRows; // rows of image tokens, by image and cell: (cells)
    final List<EncodedImage> images = new ArrayList<>();

    private final List<Integer> lists = new ArrayList<>(); // list of each image
    private final NetworkConfig config;
    private final MropePositions mrope;
    private int rows;

    /** @throws IllegalArgumentException when a token is outside the vocabulary or images don't match their tokens */
    PackedPass(Pass pass, NetworkConfig config) {
        this.config = config;
        this.mrope = new MropePositions(config.imageToken(), config.vision().cell());
        tokens = new long[pass.tokens()];
        positions = new long[3][tokens.length];
        last = new long[pass.candidates()];
        candidates = new long[last.length];
        prefixes = new long[pass.groups().size()];
        counts = new long[prefixes.length];
        int[] next = new int[prefixes.length]; // position after each prefix
        for (int list = 0; list < prefixes.length; list++) {
            Pass.Group group = pass.groups().get(list);
            prefixes[list] = group.prefix().tokens().length;
            counts[list] = group.candidates().size();
            next[list] = append(list, group.prefix(), 0);
        }
        int candidate = 0;
        for (int list = 0; list < prefixes.length; list++) {
            for (PromptPart part : pass.groups().get(list).candidates()) {
                append(list, part, next[list]);
                candidates[candidate] = part.tokens().length;
                last[candidate++] = rows - 1L;
            }
        }
        imageRows = IntStream.range(0, rows)
                .filter(row -> tokens[row] == config.imageToken())
                .asLongStream()
                .toArray();
    }

    /** @return the position after the part */
    private int append(int list, PromptPart part, int first) {
        int next = mrope.write(part, first, positions, rows);
        for (int token : part.tokens()) {
            if (token < 0 || token >= config.text().vocabulary()) {
                throw new IllegalArgumentException(
                        "token %d outside the vocabulary of %d; tokenizer.json and config.json"
                                        .formatted(token, config.text().vocabulary())
                                + " (model.checkpoint) don't belong together");
            }
            tokens[rows++] = token;
        }
        for (EncodedImage image : part.images()) {
            images.add(image);
            lists.add(list);
        }
        return next;
    }

    /** Counts the images of each list that were cached: (lists). */
    int[] imageHits(boolean[] cached) {
        int[] byList = new int[prefixes.length];
        for (int i = 0; i < cached.length; i++) {
            byList[lists.get(i)] += cached[i] ? 1 : 0;
        }
        return byList;
    }
}
