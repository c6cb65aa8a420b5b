package io.lychee.rerank.prompt;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Collects a prompt's tokens. Text between two control tokens is encoded as one string, since words of the template and
 * of the user may share a token. One thread.
 */
final class PromptTokens {

    private final Tokenizer tokenizer;
    private final StringBuilder text = new StringBuilder();
    private final List<int[]> runs = new ArrayList<>();

    PromptTokens(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    void text(String more) {
        text.append(more);
    }

    void control(int id) {
        control(id, 1);
    }

    void control(int id, int times) {
        encodeText();
        int[] run = new int[times];
        Arrays.fill(run, id);
        runs.add(run);
    }

    int[] tokens() {
        encodeText();
        return runs.stream().flatMapToInt(Arrays::stream).toArray();
    }

    private void encodeText() {
        if (!text.isEmpty()) {
            runs.add(tokenizer.encode(text.toString()));
            text.setLength(0);
        }
    }
}
