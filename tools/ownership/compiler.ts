/**
 * The parts of the AssemblyScript compiler that the check uses.
 *
 * Its enums are `const enum`s in its declarations, which a program of erasable syntax cannot read, so they come from
 * the running compiler. Invariant: this is the module that compiles the domain: classes and numbers are the same.
 */
import * as compiler from "assemblyscript";

export type {
  ArrayLiteralExpression,
  AssertionExpression,
  BinaryExpression,
  BlockStatement,
  CallExpression,
  Class,
  ClassPrototype,
  CommaExpression,
  DoStatement,
  Element,
  ElementAccessExpression,
  Expression,
  ExpressionStatement,
  FieldDeclaration,
  File,
  Flow,
  ForStatement,
  Function,
  FunctionPrototype,
  Global,
  IdentifierExpression,
  IfStatement,
  InstanceOfExpression,
  LiteralExpression,
  NamedTypeNode,
  NamespaceDeclaration,
  NewExpression,
  Node,
  ParameterNode,
  ParenthesizedExpression,
  Program,
  Property,
  PropertyAccessExpression,
  PropertyPrototype,
  Range,
  ReturnStatement,
  Source,
  Statement,
  SwitchStatement,
  TemplateLiteralExpression,
  TernaryExpression,
  ThrowStatement,
  Type,
  TypeNode,
  UnaryPostfixExpression,
  UnaryPrefixExpression,
  VariableDeclaration,
  VariableStatement,
  WhileStatement,
} from "assemblyscript";

/** An enum of the compiler at run time. A member that a version lacks is undefined: it equals no node's kind. */
type Numbers<Names extends string> = Readonly<Record<Names, number>>;

interface Enums {
  readonly NodeKind: Numbers<
    | "Identifier"
    | "Assertion"
    | "Binary"
    | "Call"
    | "Comma"
    | "ElementAccess"
    | "False"
    | "Function"
    | "InstanceOf"
    | "Literal"
    | "New"
    | "Null"
    | "Parenthesized"
    | "PropertyAccess"
    | "Ternary"
    | "Super"
    | "This"
    | "True"
    | "UnaryPostfix"
    | "UnaryPrefix"
    | "Block"
    | "Break"
    | "Continue"
    | "Do"
    | "Expression"
    | "For"
    | "If"
    | "Return"
    | "Switch"
    | "Throw"
    | "Variable"
    | "Void"
    | "While"
    | "NamedType"
    | "NamespaceDeclaration"
    | "FieldDeclaration"
    | "Export"
    | "ExportDefault"
  >;
  readonly ElementKind: Numbers<
    | "Global"
    | "Local"
    | "EnumValue"
    | "FunctionPrototype"
    | "Function"
    | "ClassPrototype"
    | "Class"
    | "Namespace"
    | "PropertyPrototype"
    | "Property"
  >;
  readonly Token: Numbers<
    | "Exclamation"
    | "Equals"
    | "Equals_Equals"
    | "Exclamation_Equals"
    | "Equals_Equals_Equals"
    | "Exclamation_Equals_Equals"
    | "Ampersand_Ampersand"
    | "Bar_Bar"
  >;
  readonly LiteralKind: Numbers<"Template" | "Array" | "Object">;
  readonly CommonFlags: Numbers<"Compiled" | "Readonly" | "Const" | "Static" | "Instance" | "Constructor" | "Stub">;
  readonly ReportMode: Numbers<"Swallow">;
}

const enums = compiler as unknown as Enums;

export const { NodeKind, ElementKind, Token, LiteralKind, CommonFlags } = enums;
/** Nothing is reported of what cannot be resolved: the compiler has accepted the program already. */
export const SWALLOW = enums.ReportMode.Swallow as compiler.ReportMode;
export const createFlow = (of: compiler.Function): compiler.Flow => compiler.Flow.createDefault(of);

const types = compiler.Type as unknown as { readonly auto: compiler.Type; readonly void: compiler.Type };
export const AUTO = types.auto;
export const VOID = types.void;
