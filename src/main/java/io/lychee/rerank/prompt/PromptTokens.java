package io.lychee.rerank.prompt;

import java.util.Arrays;

/**
 * Collects a prompt's tokens. Text is held back until a control token comes: everything between two of them is encoded
 * as one string, since words of the template and of the user may share a token. One thread.
 */
final class PromptTokens {

    private final Tokenizer tokenizer;
    private final StringBuilder run = new StringBuilder();
    private int[] tokens = new int[256];
    private int count;

    PromptTokens(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    void text(String text) {
        run.append(text);
    }

    void control(int id) {
        control(id, 1);
    }

    void control(int id, int times) {
        flush();
        reserve(times);
        Arrays.fill(tokens, count, count + times, id);
        count += times;
    }

    /** All tokens so far. */
    int[] tokens() {
        flush();
        return Arrays.copyOf(tokens, count);
    }

    private void flush() {
        if (run.isEmpty()) {
            return;
        }
        int[] ids = tokenizer.encode(run.toString());
        run.setLength(0);
        reserve(ids.length);
        System.arraycopy(ids, 0, tokens, count, ids.length);
        count += ids.length;
    }

    private void reserve(int more) {
        if (count + more > tokens.length) {
            tokens = Arrays.copyOf(tokens, Math.max(2 * tokens.length, count + more));
        }
    }
}
