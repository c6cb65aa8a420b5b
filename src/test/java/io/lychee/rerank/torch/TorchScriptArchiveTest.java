package io.lychee.rerank.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.pytorch.jni.IValue;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import org.junit.jupiter.api.Test;

class TorchScriptArchiveTest {

    private static final String SOURCE = """
            import torch
            from torch.nn import Module
            from other import Pair, twice

            class Probe(Module):
                number: int
                share: float
                flag: bool
                word: str
                sizes: List[int]
                none: Optional[Tensor]
                tensors: Dict[str, Tensor]

                def describe(self) -> str:
                    missing = self.none is None
                    pair = Pair(self.number, twice(self.number))
                    return "{} {} {} {} {} {} {} {}".format(
                        self.number, self.share, self.flag, self.word, self.sizes, missing, len(self.tensors), pair.sum())

                def put(self, name: str, tensor: Tensor) -> int:
                    self.tensors[name] = tensor.to(torch.float64)
                    return len(self.tensors)
            """;
    private static final String OTHER = """
            def twice(x: int) -> int:
                return 2 * x


            class Pair:
                def __init__(self, a: int, b: int):
                    self.a = a
                    self.b = b

                def sum(self) -> int:
                    return self.a + self.b
            """;

    @Test
    void the_engine_reads_every_kind_of_attribute() {
        Map<String, Object> attributes = new HashMap<>();
        attributes.put("training", false);
        attributes.put("number", 1_000_000_000_000L);
        attributes.put("share", 0.25);
        attributes.put("flag", true);
        attributes.put("word", "白い");
        attributes.put("sizes", new TorchScriptArchive.Typed("List[int]", List.of(3, -1)));
        attributes.put("none", null);
        attributes.put("tensors", new TorchScriptArchive.Typed("Dict[str, Tensor]", Map.of()));

        try (TorchModule module = TorchModule.load(archive(attributes));
                TorchModule.Call call = module.call()) {
            assertThat(call.run("describe").toStringValue())
                    .isEqualTo("1000000000000 0.25 True 白い [3, -1] True 0 3000000000000");
            IValue tensor = call.tensor(new long[] {1, 2});
            assertThat(call.run("put", "a", tensor).toLong()).isEqualTo(1);
            assertThat(call.run("put", "b", tensor).toLong()).isEqualTo(2);
        }
    }

    @Test
    void a_zip_as_torch_saves_it() throws IOException {
        Map<String, String> entries = new LinkedHashMap<>();
        try (ZipInputStream zip = new ZipInputStream(new ByteArrayInputStream(archive(Map.of())))) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                assertThat(entry.getMethod()).isEqualTo(ZipEntry.STORED);
                entries.put(entry.getName(), new String(zip.readAllBytes(), StandardCharsets.ISO_8859_1));
            }
        }

        assertThat(entries)
                .containsOnlyKeys(
                        "archive/data.pkl",
                        "archive/code/__torch__/probe.py",
                        "archive/code/__torch__/other.py",
                        "archive/constants.pkl",
                        "archive/version",
                        "archive/byteorder")
                .containsEntry("archive/version", "10\n")
                .containsEntry("archive/data.pkl", "\u0080\u0002c__torch__.probe\nProbe\n)\u0081}b.");
    }

    @Test
    void what_has_no_pickle_is_refused() {
        assertThatThrownBy(() -> archive(Map.of("a", new Object()))).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void the_source_keeps_its_lines_and_gets_full_names() {
        String source = """
                import torch.nn.functional as F
                class A:
                    def f(self, x):
                        return F.linear(x, twice(x)).to(torch.bfloat16) if A.twice else B(twice=1)
                """;

        Map<String, String> translated =
                TorchScriptSource.translate(Map.of("m", source, "n", "def twice(x):\n    return x\nclass B:\n"));

        assertThat(translated.get("m")).isEqualTo("""

                        class A:
                            def f(self, x):
                                return torch.linear(x, __torch__.n.twice(x)).to(15) if __torch__.m.A.twice else __torch__.n.B(twice=1)
                        """);
    }

    @Test
    void an_error_in_the_source_names_its_line() {
        byte[] archive = TorchScriptArchive.write(
                Map.of("probe", "class Probe(Module):\n    def f(self) -> int:\n        return nowhere(1)\n"),
                "probe.Probe",
                Map.of("training", false));

        assertThatThrownBy(() -> TorchModule.load(archive))
                .isInstanceOf(IllegalStateException.class)
                .rootCause()
                .hasMessageContaining("nowhere")
                .hasMessageContaining("probe.py");
    }

    private static byte[] archive(Map<String, ?> attributes) {
        Map<String, String> modules = new LinkedHashMap<>();
        modules.put("probe", SOURCE);
        modules.put("other", OTHER);
        return TorchScriptArchive.write(TorchScriptSource.translate(modules), "probe.Probe", attributes);
    }
}
