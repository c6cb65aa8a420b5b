package io.lychee.rerank.prompt;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.domain.Unicode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Tokenizes text with a checkpoint's tokenizer, all of it literally. The tokenizer runs on a copy of
 * {@code tokenizer.json} without added tokens, so no text can become a control token. Control tokens are found here by
 * name and inserted by id. Thread-safe.
 */
final class Tokenizer implements AutoCloseable {

    record Cut(String text, boolean truncated) {}

    private static final int FIRST_CHARS_PER_TOKEN = 8;

    private final Path file;
    private final HuggingFaceTokenizer tokenizer;
    private final Map<String, Integer> controlTokens;

    private Tokenizer(Path file, HuggingFaceTokenizer tokenizer, Map<String, Integer> controlTokens) {
        this.file = file;
        this.tokenizer = tokenizer;
        this.controlTokens = controlTokens;
    }

    /**
     * @param file {@code tokenizer.json}
     * @throws ConfigException when it can't be read
     */
    static Tokenizer open(Path file) {
        keepOffline();
        try {
            ObjectMapper json = new ObjectMapper();
            if (!(json.readTree(Files.readAllBytes(file)) instanceof ObjectNode root)) {
                throw new ConfigException(file + " is no JSON object; expected a Hugging Face tokenizer.json");
            }
            Map<String, Integer> control = new LinkedHashMap<>();
            for (JsonNode token : root.path("added_tokens")) {
                control.put(token.path("content").asText(), token.path("id").asInt());
            }
            root.putArray("added_tokens");
            // offsets of the raw pieces, nothing added, nothing cut
            root.putNull("post_processor");
            root.putNull("truncation");
            root.putNull("padding");
            var options = Map.of("truncation", "false", "padding", "false", "addSpecialTokens", "false");
            var tokenizer =
                    HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json.writeValueAsBytes(root)), options);
            return new Tokenizer(file, tokenizer, Collections.unmodifiableMap(control));
        } catch (IOException e) {
            throw new ConfigException("the tokenizer " + file + " can't be read (model.checkpoint): " + e, e);
        } catch (ConfigException e) {
            throw e;
        } catch (RuntimeException e) {
            throw new ConfigException("the tokenizer library can't load " + file + ": " + e.getMessage(), e);
        }
    }

    /** Keeps DJL from downloading another native library beside a GPU. */
    private static void keepOffline() {
        if (System.getenv("RUST_FLAVOR") == null && System.getProperty("RUST_FLAVOR") == null) {
            System.setProperty("RUST_FLAVOR", "cpu");
        }
    }

    /** Maps the text of each added token to its id. */
    Map<String, Integer> controlTokens() {
        return controlTokens;
    }

    /** @throws ConfigException when the checkpoint has no such control token */
    int controlToken(String text) {
        Integer id = controlTokens.get(text);
        if (id == null) {
            throw new ConfigException(
                    file + " has no added token " + text + "; expected the tokenizer of a Qwen-VL network");
        }
        return id;
    }

    /** @throws ConfigException when the text is not one token */
    int single(String text) {
        int[] ids = encode(text);
        if (ids.length != 1) {
            throw new ConfigException("\"%s\" is %d tokens in %s; expected one, the prompt's answer is read from it"
                    .formatted(text, ids.length, file));
        }
        return ids[0];
    }

    /** Encodes text, all of it literally. Unpaired surrogates count as U+FFFD. */
    int[] encode(String text) {
        if (text.isEmpty()) {
            return new int[0];
        }
        long[] ids = tokenizer.encode(Unicode.wellFormed(text)).getIds();
        return Arrays.stream(ids).mapToInt(id -> (int) id).toArray();
    }

    /**
     * Cuts the text before the first character of token number {@code limit + 1}, so that the rest encodes to at most
     * {@code limit} tokens. Reads no more of the text than can matter.
     */
    Cut cut(String text, int limit) {
        if (fitsWithoutEncoding(text, limit)) {
            return new Cut(text, false);
        }
        // a chunk's last tokens may differ from the whole text's: take them only where they don't decide
        for (long chars = (long) FIRST_CHARS_PER_TOKEN * limit + 256; ; chars *= 4) {
            boolean whole = chars >= text.length();
            String chunk = Unicode.wellFormed(whole ? text : text.substring(0, (int) chars));
            Encoding encoding = tokenizer.encode(chunk);
            int tokens = encoding.getIds().length;
            if (whole && tokens <= limit) {
                return new Cut(text, false);
            }
            if (whole || tokens > limit + 16) {
                return new Cut(shorten(chunk, encoding, limit), true);
            }
        }
    }

    /** Bounds the tokens by bytes: a UTF-16 unit has at most three, each of which NFC at most triples. */
    private static boolean fitsWithoutEncoding(String text, int limit) {
        int most = 0;
        for (int i = 0; i < text.length() && most <= limit; i++) {
            most += text.charAt(i) < 0x80 ? 1 : 9;
        }
        return most <= limit;
    }

    /** Repeats where it must, since white space at the new end may be split into other tokens than before. */
    private String shorten(String text, Encoding encoded, int limit) {
        String rest = text;
        for (Encoding encoding = encoded; encoding.getIds().length > limit; encoding = tokenizer.encode(rest)) {
            // the library counts code points
            int end = rest.offsetByCodePoints(0, encoding.getCharTokenSpans()[limit].getStart());
            rest = rest.substring(0, end < rest.length() ? end : rest.offsetByCodePoints(rest.length(), -1));
        }
        return rest;
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
