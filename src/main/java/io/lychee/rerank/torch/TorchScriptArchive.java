package io.lychee.rerank.torch;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.jspecify.annotations.Nullable;

/** Writes an archive as {@code torch.jit.save} does: a zip of source files and one pickled object of a module class. */
public final class TorchScriptArchive {

    /** A List or Map with its TorchScript type, which the reader can't infer from an empty one. */
    public record Typed(String type, Object value) {}

    private TorchScriptArchive() {}

    /**
     * Writes the archive of one object.
     *
     * @param modules TorchScript source by module name, see {@link TorchScriptSource#translate}
     * @param className module and name of the object's class, such as {@code reranker.Reranker}
     * @param attributes every attribute that the class declares: null, Boolean, Integer, Long, Double, String,
     *     {@link Typed} of a List or Map of these
     */
    public static byte[] write(Map<String, String> modules, String className, Map<String, ?> attributes) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            zip.setMethod(ZipOutputStream.STORED);
            entry(zip, "data.pkl", Pickle.object("__torch__." + className, attributes));
            for (Map.Entry<String, String> module : modules.entrySet()) {
                entry(zip, "code/__torch__/" + module.getKey() + ".py", utf8(module.getValue()));
            }
            entry(zip, "constants.pkl", new byte[] {(byte) 0x80, 2, ')', '.'});
            entry(zip, "version", utf8("10\n"));
            entry(zip, "byteorder", utf8("little"));
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory doesn't fail
        }
        return bytes.toByteArray();
    }

    private static void entry(ZipOutputStream zip, String name, byte[] content) throws IOException {
        CRC32 crc = new CRC32();
        crc.update(content);
        ZipEntry entry = new ZipEntry("archive/" + name);
        entry.setTime(0);
        entry.setSize(content.length);
        entry.setCrc(crc.getValue());
        zip.putNextEntry(entry);
        zip.write(content);
        zip.closeEntry();
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Writes Python's pickle, protocol 2, with the few opcodes that TorchScript's reader needs here. */
    private static final class Pickle {

        private final ByteArrayOutputStream out = new ByteArrayOutputStream();

        static byte[] object(String className, Map<String, ?> attributes) {
            Pickle pickle = new Pickle();
            pickle.out.writeBytes(new byte[] {(byte) 0x80, 2});
            pickle.global(className);
            pickle.out.write(')'); // EMPTY_TUPLE
            pickle.out.write(0x81); // NEWOBJ
            pickle.map(attributes);
            pickle.out.write('b'); // BUILD
            pickle.out.write('.'); // STOP
            return pickle.out.toByteArray();
        }

        private void value(@Nullable Object value) {
            if (value == null) {
                out.write('N');
            } else if (value instanceof Boolean flag) {
                out.write(flag ? 0x88 : 0x89);
            } else if (value instanceof Integer || value instanceof Long) {
                out.writeBytes(new byte[] {(byte) 0x8a, 8}); // LONG1 of 8 bytes
                out.writeBytes(little(8).putLong(((Number) value).longValue()).array());
            } else if (value instanceof Double number) {
                out.write('G');
                out.writeBytes(ByteBuffer.allocate(8).putDouble(number).array()); // the only big-endian value
            } else if (value instanceof String text) {
                byte[] bytes = utf8(text);
                out.write('X');
                out.writeBytes(little(4).putInt(bytes.length).array());
                out.writeBytes(bytes);
            } else if (value instanceof Typed typed) {
                typed(typed);
            } else {
                throw new IllegalArgumentException("no pickle for " + value.getClass());
            }
        }

        private void typed(Typed typed) {
            global("torch.jit._pickle.restore_type_tag");
            out.write('(');
            if (typed.value instanceof Map<?, ?> map) {
                map(map);
            } else if (typed.value instanceof List<?> list) {
                out.write(']');
                out.write('(');
                list.forEach(this::value);
                out.write('e'); // APPENDS
            } else {
                throw new IllegalArgumentException("no pickle for " + typed);
            }
            value(typed.type);
            out.write('t'); // TUPLE
            out.write('R'); // REDUCE
        }

        private void map(Map<?, ?> map) {
            out.write('}');
            if (!map.isEmpty()) {
                out.write('(');
                map.forEach((key, value) -> {
                    value(key);
                    value(value);
                });
                out.write('u'); // SETITEMS
            }
        }

        private void global(String name) {
            int dot = name.lastIndexOf('.');
            out.write('c');
            out.writeBytes(utf8(name.substring(0, dot) + "\n" + name.substring(dot + 1) + "\n"));
        }

        private static ByteBuffer little(int bytes) {
            return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        }
    }
}
