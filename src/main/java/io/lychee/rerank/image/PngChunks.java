package io.lychee.rerank.image;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Set;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * Splits a PNG into the chunks that shape its pixels and its orientation; no other chunk is read or inflated.
 *
 * @param pixels a PNG file of the former alone
 */
record PngChunks(ByteBuffer pixels, Orientation orientation) {

    private static final Set<String> SHAPING = Set.of("IHDR", "PLTE", "tRNS", "IDAT", "IEND");
    /** Pillow's bound on one chunk's text. */
    private static final int MAX_TEXT = 1 << 20;

    private static final ByteBuffer NONE = ByteBuffer.allocate(0);

    static PngChunks of(byte[] data) {
        ByteBuffer pixels = ByteBuffer.allocate(data.length).put(data, 0, 8);
        ByteBuffer file = ByteBuffer.wrap(data);
        ByteBuffer exif = NONE;
        // of several texts the last counts, so one is inflated
        Text rawProfile = Text.NONE;
        Text xmp = Text.NONE;
        for (int at = 8; at + 8 <= data.length; ) {
            int length = file.getInt(at);
            String type = new String(data, at + 4, 4, StandardCharsets.ISO_8859_1);
            boolean whole = length >= 0 && length <= data.length - at - 8;
            int end = whole ? Math.min(data.length, at + 12 + length) : data.length;
            // pixels cut short are the decoder's to refuse; any other such chunk is left out
            if (SHAPING.contains(type) && (whole || type.equals("IDAT"))) {
                pixels.put(data, at, end - at);
            } else if (whole && type.equals("eXIf")) {
                exif = file.slice(at + 8, length);
            } else if (whole && Text.TYPES.contains(type)) {
                Text text = new Text(type, file.slice(at + 8, length));
                switch (text.key()) {
                    case "exif" -> exif = type.equals("tEXt") ? text.plain() : exif;
                    case "Raw profile type exif" -> rawProfile = text;
                    case "XML:com.adobe.xmp" -> xmp = text;
                    default -> {}
                }
            }
            at = type.equals("IEND") ? data.length : end;
        }
        if (!exif.hasRemaining()) {
            exif = fromHex(rawProfile.text());
        }
        return new PngChunks(pixels.flip(), Orientation.of(exif, xmp.text()));
    }

    /** Lines of hexadecimal digits behind three of heading. */
    private static ByteBuffer fromHex(ByteBuffer text) {
        if (text.limit() > MAX_TEXT) {
            return NONE;
        }
        String[] lines = StandardCharsets.ISO_8859_1.decode(text).toString().split("\n", 4);
        try {
            return lines.length < 4 ? NONE : ByteBuffer.wrap(HexFormat.of().parseHex(lines[3].replaceAll("\\s", "")));
        } catch (IllegalArgumentException e) {
            return NONE;
        }
    }

    /** Reads one text chunk, at most {@link #MAX_TEXT} bytes of it; what is broken or longer is empty. */
    private record Text(String type, ByteBuffer body) {

        static final Set<String> TYPES = Set.of("tEXt", "zTXt", "iTXt");
        static final Text NONE = new Text("tEXt", PngChunks.NONE);
        private static final int MAX_KEY = 79;

        String key() {
            int end = zero(0);
            return end > MAX_KEY ? "" : string(0, end);
        }

        /** What is behind the key, as it is stored. */
        ByteBuffer plain() {
            return tail(zero(0) + 1);
        }

        ByteBuffer text() {
            int at = zero(0) + 1;
            return switch (type) {
                case "tEXt" -> tail(at);
                case "zTXt" -> inflate(tail(at + 1));
                default -> {
                    boolean deflated = at < body.limit() && body.get(at) != 0;
                    ByteBuffer text = tail(zero(zero(at + 2) + 1) + 1);
                    yield deflated ? inflate(text) : text;
                }
            };
        }

        private int zero(int from) {
            int at = Math.min(from, body.limit());
            while (at < body.limit() && body.get(at) != 0) {
                at++;
            }
            return at;
        }

        private ByteBuffer tail(int from) {
            return from >= body.limit() ? PngChunks.NONE : body.slice(from, body.limit() - from);
        }

        private String string(int from, int to) {
            return StandardCharsets.ISO_8859_1
                    .decode(body.slice(from, to - from))
                    .toString();
        }

        private static ByteBuffer inflate(ByteBuffer deflated) {
            Inflater inflater = new Inflater();
            try {
                inflater.setInput(deflated);
                byte[] text = new byte[1024];
                int length = 0;
                while (true) {
                    int count = inflater.inflate(text, length, text.length - length);
                    length += count;
                    if (inflater.finished() || count == 0) {
                        return ByteBuffer.wrap(text, 0, length).slice();
                    }
                    if (length == MAX_TEXT) {
                        return PngChunks.NONE;
                    }
                    if (length == text.length) {
                        text = Arrays.copyOf(text, Math.min(MAX_TEXT, 4 * length));
                    }
                }
            } catch (DataFormatException e) {
                return PngChunks.NONE;
            } finally {
                inflater.end();
            }
        }
    }
}
