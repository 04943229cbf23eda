// What a reviewer would otherwise have to say: the strict, typed rules of TypeScript, and Vue's own for templates.
import vue from "eslint-plugin-vue";
import { defineConfig } from "eslint/config";
import ts from "typescript-eslint";

export default defineConfig(
  { ignores: ["node_modules", "**/dist", "client/src/generated"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.ts"],
    extends: [ts.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: "tsconfig.json", tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/require-await": "off", // an interface may ask for a promise
      "@typescript-eslint/no-confusing-void-expression": "off", // `() => act()` hides nothing
      "@typescript-eslint/no-unnecessary-boolean-literal-compare": "off",
      "@typescript-eslint/no-meaningless-void-operator": "off", // reads a ref, so that what depends on it follows
      "@typescript-eslint/no-misused-spread": "off", // headers
      "@typescript-eslint/unbound-method": "off", // what uPlot offers as functions knows no `this`
      "@typescript-eslint/no-unsafe-assignment": "off", // what comes from a .vue file has no type here; vue-tsc sees it
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
  {
    files: ["**/*.vue"],
    extends: [ts.configs.strict, vue.configs["flat/essential"]],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: [".vue"] } },
    rules: { "no-undef": "off" }, // TypeScript knows better
  },
  {
    files: ["**/*.ts", "**/*.vue"],
    rules: {
      eqeqeq: ["error", "smart"],
      "@typescript-eslint/no-non-null-assertion": "off", // typed arrays: an index within the length is never undefined
      "no-console": ["error", { allow: ["warn", "error"] }],
      "@typescript-eslint/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
    },
  },
);
